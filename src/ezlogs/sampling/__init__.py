"""Sampling: which events are kept, decided per story and alike in every service, with a reason and a probability.

`Sampler` is what every process uses. What goes beyond one rate is loaded by who uses it: `ezlogs.sampling.rates` for
rates by type and route, `ezlogs.sampling.tail` for stories that turn out to matter, `ezlogs.sampling.limits` for types
that come too often, and `ezlogs.sampling.story` for all of it together.
"""

from ezlogs.sampling.head import Sampler, randomness

__all__ = ["Sampler", "randomness"]
