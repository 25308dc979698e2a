"""The page of `ezlogs dev`: its server's side."""
