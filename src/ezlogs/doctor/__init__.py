"""The doctor: what ezlogs would do here, with these settings and these packages, and what is in its way."""

from ezlogs.doctor.finding import Finding
from ezlogs.doctor.report import Report, examine, examine_privacy

__all__ = ["Finding", "Report", "examine", "examine_privacy"]
