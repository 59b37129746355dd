"""What a browser or an operator sees of a node: HTTP, browser WebSockets, pages, metrics and logs.

Counts come from the engine behind `cluster.surface`; `app` knows nothing else of `cluster`.
"""

__version__ = "0.1.0"
