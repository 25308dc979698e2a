"""The same small application, started by ``configure()``."""

import ezlogs

ezlogs.configure(service_name="shop", instrument="none")

import checkout  # noqa: E402, F401  # the application begins after it is configured
