pub struct Postgres; pub struct PostgresCluster;
