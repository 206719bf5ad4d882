"""The expert behind HTTP: OpenAI's API, the workspace's own API, MCP, the page, and what operation needs.

Nothing here decides what an answer is; it carries what `expert` and the other rooms do to programs
and people, and asks of every request who it is.
"""
