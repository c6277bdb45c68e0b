"""Floor 6: what each bin script does. One file a job, one function `run(context) -> Result` that the script calls.

A job chooses and tells; the work is done below: windows are chosen in market/, fetched in ib/ under run/paced, stored in
db/. Daily collection, history, gap fill and retry differ only in the windows that they choose.
"""
