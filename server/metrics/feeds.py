"""The numbers of a feed, asked with each scrape."""

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from server.readings.feed import Feed


class Feeds(Collector):
    """The numbers of this feed, under its name."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def collect(self) -> list[Metric]:
        """Called by the registry."""
        feed = self._feed
        return [
            self._gauge("hjemvakt_feed_lag_seconds", "Age of the oldest row not fed yet", feed.lag_s()),
            self._gauge("hjemvakt_feed_lag_rows", "Rows of the journal not fed yet", feed.lag_rows()),
            self._counter("hjemvakt_feed_readings", "Readings handed over since the start", feed.written()),
            self._counter("hjemvakt_feed_refused", "Readings refused since the beginning", feed.refused()),
        ]

    def _gauge(self, name: str, says: str, value: float) -> Metric:
        family = GaugeMetricFamily(name, says, labels=["sink"])
        family.add_metric([self._feed.name], value)
        return family

    def _counter(self, name: str, says: str, value: float) -> Metric:
        family = CounterMetricFamily(name, says, labels=["sink"])
        family.add_metric([self._feed.name], value)
        return family
