add_library(covey_sim_fakes STATIC fake_session.c fake_owner.c fake_worker.c fake_tiles.c
    fake_layer.c fake_rows.c fake_model.c)
target_include_directories(covey_sim_fakes PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(covey_sim_fakes PUBLIC covey_sim PRIVATE covey_options)

covey_add_sim(inference)
target_link_libraries(sim_inference PRIVATE covey_sim_fakes)
covey_add_sim_seeds(inference inference 6 "5 + SEED % 4")

# The same over layers by rows, and lies.
covey_add_sim_seeds(rows inference 8 "5 + SEED % 4" --rows 1)

covey_add_sim(tiles)
target_link_libraries(sim_tiles PRIVATE covey_sim_fakes)
covey_add_sim_seeds(tiles tiles 6 "3 + SEED")
