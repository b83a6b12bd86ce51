add_executable(sim_inference sim_inference.c fake_session.c fake_owner.c fake_worker.c fake_tiles.c
    fake_rows.c fake_model.c)
target_include_directories(sim_inference PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(sim_inference PRIVATE covey_sim covey_options)
foreach(seed 1 2 3 4 5 6)
    math(EXPR nodes "5 + ${seed} % 4")
    add_test(NAME sim.inference.${seed} COMMAND sim_inference --seed ${seed} --nodes ${nodes})
    set_tests_properties(sim.inference.${seed} PROPERTIES TIMEOUT 400 LABELS sim)
endforeach()

# The same over layers by rows, and lies.
foreach(seed 1 2 3 4 5 6 7 8)
    math(EXPR nodes "5 + ${seed} % 4")
    add_test(NAME sim.rows.${seed}
        COMMAND sim_inference --seed ${seed} --nodes ${nodes} --rows 1)
    set_tests_properties(sim.rows.${seed} PROPERTIES TIMEOUT 400 LABELS sim)
endforeach()

add_executable(sim_tiles sim_tiles.c fake_session.c fake_owner.c fake_worker.c fake_tiles.c
    fake_rows.c fake_model.c)
target_include_directories(sim_tiles PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(sim_tiles PRIVATE covey_sim covey_options)
foreach(seed 1 2 3 4 5 6)
    math(EXPR nodes "3 + ${seed}")
    add_test(NAME sim.tiles.${seed} COMMAND sim_tiles --seed ${seed} --nodes ${nodes})
    set_tests_properties(sim.tiles.${seed} PROPERTIES TIMEOUT 400 LABELS sim)
endforeach()
