"""The numbers of a feed, asked with each scrape: of those that our database has, nothing while it does not answer."""

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from server.db import troubled
from server.readings.feed import Feed


class Feeds(Collector):
    """The numbers of this feed, under its name."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def collect(self) -> list[Metric]:
        """Called by the registry."""
        feed = self._feed
        try:
            rows, refused = feed.lag_rows(), feed.refused()
        except Exception as error:
            if not troubled(error):
                raise
            kept = []
        else:
            kept = [
                self._gauge("hjemvakt_feed_lag_rows", "Rows of the journal not fed yet", rows),
                self._counter("hjemvakt_feed_refused", "Readings refused since the beginning", refused),
            ]
        return [
            self._gauge("hjemvakt_feed_lag_seconds", "Age of the oldest row not fed yet", feed.lag_s()),
            self._counter("hjemvakt_feed_readings", "Readings handed over since the start", feed.written()),
            *kept,
        ]

    def _gauge(self, name: str, says: str, value: float) -> Metric:
        family = GaugeMetricFamily(name, says, labels=["sink"])
        family.add_metric([self._feed.name], value)
        return family

    def _counter(self, name: str, says: str, value: float) -> Metric:
        family = CounterMetricFamily(name, says, labels=["sink"])
        family.add_metric([self._feed.name], value)
        return family
