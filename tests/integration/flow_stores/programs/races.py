"""Begins many flows as soon as it is told to, and prints in which story each of them has begun."""

import sys

from ezlogs.flows.opening import maker

make = maker(sys.argv[1])
assert make is not None
store = make()
print("ready", flush=True)
sys.stdin.readline()
for number in range(200):
    store.remember(f"flow-{number}", sys.argv[2], 3600)
print("remembered", flush=True)
sys.stdin.readline()
print(*(store.find(f"flow-{number}") for number in range(200)), flush=True)
