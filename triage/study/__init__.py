"""How well a score finds those who get worse, measured on a table of patients whose end is known.

`wide` is the table, `scores` puts rules on its rows, `features` and `fit` make the research score, `auroc` and
`episodes` judge any of them. Files, printing and pictures are `hjemvakt.triage`'s; this
room is pure, as the rules are.
"""
