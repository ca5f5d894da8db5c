"""The command `hjemvakt`: the only place that knows gateway, server and simulator at once."""
