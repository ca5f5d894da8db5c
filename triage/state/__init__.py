"""All patients at once, in columns, kept up as readings come: what the rules look at is there before they look.

    columns   arrays that grow, and can be put back as they were
    people    who there is, and since when everything is told of them
    batch     samples put in order, series by series
    rings     the newest samples of each series (a channel or event of one patient)
    courses   thinned rings, and what is known of the course in each
    points    NEWS2 as one packed byte a parameter, so that everybody's totals are an add
    scores    NEWS2 of everybody, for whoever asks for it
    table     `State`: batches in, changed patients out
    view      the window on chosen patients, the same as `triage.grid.window` makes from samples

It is a memory and nothing else: whatever order the samples came in, the state is the same as if they had come in order,
and as if the whole were made again. It holds the newest of everything and knows how far back that is; where a rule
wants to see further, it says so, and whoever keeps all samples is asked.

A batch is taken as a whole or undone as a whole (`State.undo`), as a server's transaction is.
"""

from triage.state.people import ALWAYS as ALWAYS
from triage.state.table import State as State
from triage.state.view import Lacking as Lacking
from triage.state.view import part_of as part_of
from triage.state.view import window as window
