"""How good a head is: picture metrics, lip and eye agreement, speed, and the reports made of them."""
