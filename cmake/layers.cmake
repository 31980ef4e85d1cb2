# tenure_layer(<folder> [ROOMS <room>...]): the target tenure_<folder>, from the sources in the folder. It links the layers
# below it. A folder without sources is an interface target, so that the layers above it link the same way.
#
# A room is a folder in the folder, and a layer in the layer: rooms stand bottom up, and each includes only those before it
# (tests/house/check_layers.py reads this list). Each room is an object library, tenure_<folder>_<room>.
set(TENURE_LAYERS base live rcu accounting allocator mapped api)

function(tenure_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 layer "" "" "ROOMS")
  list(FIND TENURE_LAYERS ${name} height)
  list(SUBLIST TENURE_LAYERS 0 ${height} lower)
  list(TRANSFORM lower PREPEND tenure_)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp"
       "${CMAKE_CURRENT_SOURCE_DIR}/*.S")
  set(parts)
  foreach(room IN LISTS layer_ROOMS)
    file(GLOB room_sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${room}/*.cpp"
         "${CMAKE_CURRENT_SOURCE_DIR}/${room}/*.S")
    add_library(tenure_${name}_${room} OBJECT ${room_sources})
    target_link_libraries(tenure_${name}_${room} PRIVATE tenure_library_flags)
    list(APPEND parts tenure_${name}_${room})
    list(APPEND sources $<TARGET_OBJECTS:tenure_${name}_${room}>)
  endforeach()
  if(sources)
    add_library(tenure_${name} STATIC ${sources})
    target_link_libraries(tenure_${name} PUBLIC ${lower} PRIVATE tenure_library_flags)
    set_target_properties(tenure_${name} PROPERTIES TENURE_PARTS "${parts}" LINKER_LANGUAGE CXX)
  else()
    add_library(tenure_${name} INTERFACE)
    target_link_libraries(tenure_${name} INTERFACE ${lower})
  endif()
endfunction()

# The layers that have sources, and their rooms, as targets.
function(tenure_layer_targets out)
  set(targets)
  foreach(layer IN LISTS TENURE_LAYERS)
    get_target_property(type tenure_${layer} TYPE)
    if(type STREQUAL "STATIC_LIBRARY")
      get_target_property(parts tenure_${layer} TENURE_PARTS)
      list(APPEND targets tenure_${layer} ${parts})
    endif()
  endforeach()
  set(${out} "${targets}" PARENT_SCOPE)
endfunction()
