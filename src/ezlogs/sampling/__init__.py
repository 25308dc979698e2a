"""Sampling: which events are kept, decided per story and alike in every service, with a reason and a probability.

`ezlogs.sampling.deciding` is where every event passes once the settings leave any out. It asks `ezlogs.sampling.rates`
for the verdict by the story's id, `ezlogs.sampling.tail` for stories that turn out to matter, and
`ezlogs.sampling.limits` for types that come too often. Who keeps everything loads nothing of it.
"""
