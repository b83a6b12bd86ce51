set(fake_sources fake_session.c fake_owner.c fake_worker.c fake_tiles.c fake_layer.c fake_rows.c
    fake_model.c)
covey_add_sim(inference ${fake_sources})
covey_add_sim_seeds(inference inference 6 "5 + SEED % 4")

# The same over layers by rows, and lies.
covey_add_sim_seeds(rows inference 8 "5 + SEED % 4" --rows 1)

covey_add_sim(tiles ${fake_sources})
covey_add_sim_seeds(tiles tiles 6 "3 + SEED")
