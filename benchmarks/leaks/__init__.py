"""What gets through: the labelled corpus, scrubbed by ezlogs and by its peers at their default settings."""
