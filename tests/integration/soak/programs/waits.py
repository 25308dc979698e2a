"""The next process of a service: it starts, emits nothing, and stays until its input ends."""

import sys

import ezlogs

ezlogs.configure()
sys.stdin.read()
