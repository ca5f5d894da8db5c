"""What the patient sees, hears and is asked; and the rules, while the server is away.

All of it is optional (`[local]`), loaded only where it is wanted, and in nobody's way: a fault here costs no reading.

sheet.py    what the people are asked and told, put together for the page and the voice
asking.py   questions, and their answers, which are readings like any other
page.py     the page on a screen in the home
voice.py    the voice: a command that speaks
words.py    the sentences, in both languages
local.py    watching while the server is away
telling.py  what is told of a finding meanwhile, and that it was
sooner.py   what is asked for meanwhile
judge.py    the server's rules on one home
recent.py   what the devices told lately, for the rules to look at
"""
