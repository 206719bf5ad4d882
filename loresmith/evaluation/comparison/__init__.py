"""The four-way comparison: questions in, stored answers, scores, statistics, verdict."""
