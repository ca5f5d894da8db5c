"""Scores: points for what was measured, added up. The tables stand here once, and rules, tables and columns use them.

A value is rounded to what the score's chart is written in, halves up, and looked up in a table of points, so no gap
can be between two bands. What was not measured has no points (NaN), which is not 0: the sum of the others is then a
lower bound. No score here is for children or pregnant women.
"""
