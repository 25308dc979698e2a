"""Launch: how ezlogs starts - by ``configure()`` or under ``opentelemetry-instrument`` - and how it ends."""
