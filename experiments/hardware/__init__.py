"""Hardware studies: device imperfections, circuits beside ngspice, Ising machines."""
