"""Where readings become knowledge and alarms reach people. One folder a capability; `app.py` puts them together."""
