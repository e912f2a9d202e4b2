"""Peers: the same texts through Quiver and other libraries, each in a process of its own.

Libraries disagree about the versions of what they need, so each may live in a virtual environment of its own
(``--python LIBRARY=PATH``); ``worker`` runs there and needs nothing of Quiver but this folder. One module a
library has a function ``load``; ``contest`` starts them and speaks with them.
"""
