"""What is wrong with bars that no rule for one row can see: faults of a whole session, of a series, and between sources.

A rule of market/validate looks at a row and its neighbours and may refuse it. Here the whole market is laid side by side: a
day that was copied, a day file that lacks half of the codes, prices in cents for a fortnight, a code that changed hands.
Every finding is a Defect with a kind from one table (words.KINDS) and its evidence in words that a person can check.

Two things are kept apart. A *defect* says that the data are wrong or do not continue; where the market itself may have been
strange (a genuine fall of 60 %, a trading halt, a day without a bar of a thin share) there is none. An *outlier* (outliers.py)
is a doubt about one bar: it is flagged, never refused, and the reference moves with the market, so that nothing latches.

    words      the kinds of defects, and the rules with their severity
    market     faults of whole sessions, seen across codes
    series     faults of one code's bars
    breaks     where a series does not continue: units, splits, owners of a code
    second     what another source says of the same days
    outliers   the rules for one bar as it comes, and after the close
    score      the daily score, computed from counts that are shown
"""
