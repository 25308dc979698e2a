"""The shop that is soaked: two web processes and three workers, and what they write down of what really happened."""
