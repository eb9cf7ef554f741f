"""Lists of parties and the owners on them: who is listed, what listed owners hold, and who is restricted at any use."""
