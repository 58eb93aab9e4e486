"""The page for people without a shell: a video becomes a head, and a head says what it is given.

Long work does not happen in the server. It runs as jobs (:mod:`live.page.jobs`), each a folder with a record and a log
and a process of its own, which outlives server and page; what the page shows is read from those files and from what the
commands write. Whatever a browser sends is checked where it becomes a path (:mod:`live.page.home`).
"""
