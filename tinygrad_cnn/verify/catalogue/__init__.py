"""What the checker knows: the operations, their right rules with each step as a keyword, and the students' mistakes."""
