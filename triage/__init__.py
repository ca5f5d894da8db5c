"""Who is getting worse, and why: pure functions on arrays of patients.

The way through, each step a pure function:

    catalogue.catalogue()                          the rules there are
    programme.parse(), programme.limits_for()      which rules a patient is under, with which limits
    samples.samples_of()                           a measurement or an event as samples
    grid.window()                                  samples as the arrays the rules look at
    run.run()                                      every rule on every patient: levels and reasons
    episode.step()                                 reasons over time: one episode a patient and kind

Patients of one programme share a window, because they share the rules.
"""
