"""Numbers and log lines. Everything that is counted stands in `catalogue.METRICS`."""

from preverify.observe.catalogue import METRICS, Metric
from preverify.observe.collector import CensusCollector
from preverify.observe.exposition import MetricsServer, Processes, serve_metrics
from preverify.observe.logs import hide, setup_logging
from preverify.observe.metrics import Metrics, alone, fresh_directory, share
from preverify.observe.observing import Observing
from preverify.observe.tallying import Tallying

__all__ = [
    "METRICS",
    "CensusCollector",
    "Metric",
    "Metrics",
    "MetricsServer",
    "Observing",
    "Processes",
    "Tallying",
    "alone",
    "fresh_directory",
    "hide",
    "serve_metrics",
    "setup_logging",
    "share",
]
