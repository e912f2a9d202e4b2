"""Servers under load: processes of Quiver, vLLM and infinity behind one client."""
