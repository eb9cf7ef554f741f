"""The queue: tickets that people take and decide, the record of who did, and the API in front of it."""
