pub struct Redis;
