"""What the store on MongoDB is made of. Only here and in `services.history.store_mongo` the driver is known."""
