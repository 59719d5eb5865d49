-- The strata of a selection lie one after another, each by its tickets: all in the order of the tickets are their merge, which needs no index.
DROP INDEX visits_ticket;
