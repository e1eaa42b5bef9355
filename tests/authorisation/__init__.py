"""Who may what, as tables, and tests that try every cell of them against a real server.

`rest.py` and `events.py` say of every route and event what each actor is answered; `lists.py` what lists show and what
students are not told; `pushes.py` who hears what; `changes.py` what ends an access at once. `docs/authorisation.md` is
their print, made by `python -m tests.authorisation`.
"""
