"""The research score that is shipped: `deterioration.toml`, beside this file and read with it, when it is imported.

It is part of the code as a table of points is, only written by `hjemvakt triage fit` and not by hand. Nothing is read
while anybody is judged.
"""

from importlib import resources

from triage.study import model

FILE = "deterioration.toml"
SHIPPED = model.loads(resources.files("triage.study").joinpath(FILE).read_text("utf-8"), FILE)
