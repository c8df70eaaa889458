"""What README claims, measured: `make bench`. Each figure stands beside a floor that is measured in the same run."""
