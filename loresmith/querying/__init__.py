"""Questions to the tables: understood, written as SQL, checked, run, and answered with the rows."""
