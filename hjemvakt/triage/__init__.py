"""`hjemvakt triage`: the rules put to use on tables and on what a server has kept. The arithmetic is `triage`'s."""
