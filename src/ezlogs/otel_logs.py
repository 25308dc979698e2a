"""The one place that imports OpenTelemetry's logs, whose packages keep an underscore until they are declared stable.

Importing it costs what importing that signal's SDK costs, so it is imported where log records are dealt with, and never
while events ride on spans only.
"""

from opentelemetry._logs import Logger, LoggerProvider, SeverityNumber, get_logger_provider
from opentelemetry.sdk._logs import LoggerProvider as SdkLoggerProvider
from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, SimpleLogRecordProcessor

__all__ = [
    "BatchLogRecordProcessor",
    "LogRecordExporter",
    "LogRecordProcessor",
    "Logger",
    "LoggerProvider",
    "ReadWriteLogRecord",
    "SdkLoggerProvider",
    "SeverityNumber",
    "SimpleLogRecordProcessor",
    "get_logger_provider",
]
