"""The rows of whole pipelines under load: many events at once, for long, and with a collector that is away or hangs."""

from __future__ import annotations

from benchmarks.row import Row, Side

_TELLERS = ((1, "one thread"), (4, "four threads"), (16, "sixteen threads"))
_DURABILITIES = (("", "memory", "in memory"), ("_journaled", "process", "with the journal"))

_SUSTAINED = (
    Row(
        "sustained",
        "time per event told flat out and delivered, privacy on, nothing lost / BatchSpanProcessor with room for all",
        Side("throughput.memory", "memory"),
        Side("throughput.otel", "otel"),
        0.166,
        0.111,
    ),
    Row(
        "sustained_journaled",
        "the same with durability=process",
        Side("throughput.process", "process"),
        Side("throughput.otel", "otel"),
        aim=0.111,
    ),
)

_BURSTS = (
    *(
        Row(
            f"burst_{threads}",
            f"lost of 100,000 told flat out by {who}, default settings / BatchSpanProcessor's defaults",
            Side(f"throughput.burst_{threads}", "lost"),
            Side("throughput.burst_otel", f"lost.{threads}"),
            0.0,
            unit="events",
            worst=True,
        )
        for threads, who in _TELLERS
    ),
    *(
        Row(
            f"burst_{threads}_memory",
            f"by how much memory grows at most meanwhile, {who} / 32 MiB",
            Side(f"throughput.burst_{threads}", "grown"),
            Side(f"throughput.burst_{threads}", "within"),
            aim=1.0,
            unit="bytes",
        )
        for threads, who in _TELLERS
    ),
)

_AWAY = (
    *(
        Row(
            f"undelivered{suffix}",
            f"memory of 100,000 events that wait for a collector, {how} / one a span in BatchSpanProcessor",
            Side(f"away.{durability}", "grown"),
            Side("away.otel", "grown"),
            0.3,
            0.06,
            unit="bytes",
        )
        for suffix, durability, how in _DURABILITIES
    ),
    *(
        Row(
            f"undelivered{suffix}_told",
            f"the same, {how} / 50 MB",
            Side(f"away.{durability}", "grown"),
            Side(f"away.{durability}", "within"),
            aim=1.0,
            unit="bytes",
        )
        for suffix, durability, how in _DURABILITIES
    ),
    Row(
        "undelivered_journaled_own",
        "the same without the pages of the journal's files, which the kernel may take back / 50 MB",
        Side("away.process", "own"),
        Side("away.process", "within"),
        1.0,
        unit="bytes",
    ),
    Row(
        "dropped",
        "event() for which there is no room / one that is kept",
        Side("away.dropped", "dropped"),
        Side("away.dropped", "kept"),
        1.0,
        0.5,
    ),
    *(
        Row(
            f"hanging{suffix}_{cut}",
            f"event() while the collector takes requests and never answers / while it answers, {how}, {which}",
            Side(f"paced.hanging_{durability}", f"hang.{cut}"),
            Side(f"paced.hanging_{durability}", f"answer.{cut}"),
            must,
        )
        for suffix, durability, how in _DURABILITIES
        for cut, which, must in (("p50", "median call", None), ("p99", "99th percentile", 1.1))
    ),
)

UNDER_LOAD = (
    *_SUSTAINED,
    *_BURSTS,
    *_AWAY,
    Row(
        "late",
        "how late a thread is that tells 2,000 events a second, p99.9, default settings / BatchSpanProcessor's",
        Side("paced.ezlogs", "ezlogs"),
        Side("paced.otel", "otel"),
        0.35,
        0.2,
    ),
    Row(
        "late_at_all",
        "the same / one that tells nobody",
        Side("paced.ezlogs", "ezlogs"),
        Side("paced.none", "none"),
        aim=1.0,
    ),
    Row(
        "encoder",
        "spans of the SDK's with an event each to bytes, the same after parsing / the official encoder",
        Side("encoding.of_one", "ours"),
        Side("encoding.of_one", "official"),
        0.125,
        0.083,
    ),
    Row(
        "encoder_200",
        "the same with 200 events a span",
        Side("encoding.of_many", "ours"),
        Side("encoding.of_many", "official"),
        0.125,
        0.083,
    ),
    Row(
        "lasting",
        "memory after 500,000 delivered events / after 300,000; with --long ten million / one million",
        Side("throughput.lasting", "end"),
        Side("throughput.lasting", "settled"),
        1.05,
        unit="bytes",
    ),
)
