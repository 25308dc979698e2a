"""HTTP requests, whatever the framework: what instrumentors call, and what they describe requests by."""

from ezlogs.trackers.http.arrival import Arrival, AsgiArrival, CgiArrival, PlainArrival, tracked_in
from ezlogs.trackers.http.nested import NestedRequest
from ezlogs.trackers.http.request import HTTP_REQUEST, HttpRequest
from ezlogs.trackers.http.tracker import METHODS, HttpTracker, Tracked, say_route

__all__ = [
    "HTTP_REQUEST",
    "METHODS",
    "Arrival",
    "AsgiArrival",
    "CgiArrival",
    "HttpRequest",
    "HttpTracker",
    "NestedRequest",
    "PlainArrival",
    "Tracked",
    "say_route",
    "tracked_in",
]
