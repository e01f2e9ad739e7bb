#pragma once

#include "CoreMinimal.h"
#include "Components/ActorComponent.h"

class UAudioComponent : public USceneComponent
{
public:
	virtual void Stop();
};
