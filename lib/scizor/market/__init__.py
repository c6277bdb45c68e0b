"""Floor 1: facts about markets, pure. No clock, no I/O, no database: what is needed comes in as an argument.

A wrong bar, a session that nobody counted or a hole that was explained too early are found nowhere else, so what decides
about them stands here, where a million cases cost a second and no server, and where the machine's hour and zone play no
part. The shells (db, ib, jobs) only carry what these functions say.

types the words · exchanges facts with their dates and sources · calendar what yields sessions · due which windows are wanted
· coverage what is known, and why the rest is not · validate the rules that a bar must keep, as SQL and as Python · bars a
bar as text · ladder which prices exist · aggregate longer bars of shorter ones · simulated a seeded market that says that
it is simulated · universe, table and lint the lists of symbols, and what is wrong with them · events the one record of depth
and prints · feeds vendors' formats made into it · book what those events build.
"""
