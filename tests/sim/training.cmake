covey_add_sim(training fake_training.c)
covey_add_sim_seeds(training training 6 "4 + SEED % 4")
