"""What type checkers make of the options: mypy reads this file, and complains where a wrong use passes."""

from typing_extensions import assert_type

import ezlogs
from ezlogs.settings import Delivery, Sampling, Settings

ezlogs.configure(delivery=Delivery(timeout=5, headers={"x-key": "1"}), sampling=Sampling(always_events=("auth.*",)))
ezlogs.configure(service_name="shop", timeout=5)
assert_type(Delivery().timeout, float)
assert_type(Settings().service_name, str | None)

Delivery(timeout="soon")  # type: ignore[arg-type]  # not a number
Delivery(timout=5)  # type: ignore[call-arg]  # no such option
Delivery("grpc")  # type: ignore[call-arg]  # by name only
Delivery(compression="brotli")  # type: ignore[arg-type]  # not one of its words
Delivery().timeout = 5  # type: ignore[misc]  # immutable
ezlogs.configure(delivery=Sampling())  # type: ignore[arg-type]  # another group
