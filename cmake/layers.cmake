# tenure_layer(<folder> <lower layer>...): one target, tenure_<folder>, from the sources in the folder.
# A folder without sources is an interface target, so that the layers above it link the same way.
set(TENURE_LAYERS base live rcu accounting allocator api)

function(tenure_layer name)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp"
       "${CMAKE_CURRENT_SOURCE_DIR}/*.S")
  list(TRANSFORM ARGN PREPEND tenure_ OUTPUT_VARIABLE lower)
  if(sources)
    add_library(tenure_${name} STATIC ${sources})
    target_link_libraries(tenure_${name} PUBLIC ${lower} PRIVATE tenure_library_flags)
  else()
    add_library(tenure_${name} INTERFACE)
    target_link_libraries(tenure_${name} INTERFACE ${lower})
  endif()
endfunction()

# The layers that have sources, as targets.
function(tenure_layer_targets out)
  set(targets)
  foreach(layer IN LISTS TENURE_LAYERS)
    get_target_property(type tenure_${layer} TYPE)
    if(type STREQUAL "STATIC_LIBRARY")
      list(APPEND targets tenure_${layer})
    endif()
  endforeach()
  set(${out} "${targets}" PARENT_SCOPE)
endfunction()
