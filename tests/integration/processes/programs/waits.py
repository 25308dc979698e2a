"""The next process of a service: it starts, emits nothing, and stays until its input ends."""

import os
import sys

import ezlogs

ezlogs.configure()
os.write(1, b"started\n")
sys.stdin.read()
