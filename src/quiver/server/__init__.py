"""The server: many clients' dialects over one engine.

dialects/   one module each: a client's shapes -> service -> the client's shapes
service     texts with their roles -> batcher -> vectors, scores
batching/   what runs together; knows nothing of HTTP
gate, body, route    what a request must pass before a dialect sees it
"""
